/** The keys, in a dialog. */
import { useSignalEffect } from '@preact/signals';
import type { JSX } from 'preact';
import { useRef } from 'preact/hooks';
import { Icon } from './icons.tsx';
import { showKeyHelp, singleKeys } from './state.ts';
import { strings } from './strings.ts';

/** Shows the keys, also when the browser has closed the dialog and not told of it yet. */
export function openKeyHelp(): void {
  showKeyHelp.value = false;
  showKeyHelp.value = true;
}

export function KeyHelp(): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  useSignalEffect(() => {
    if (showKeyHelp.value) dialog.current?.showModal();
    else dialog.current?.close();
  });
  const words = strings.keys;
  const close = (): void => {
    showKeyHelp.value = false;
  };
  return (
    <dialog
      ref={dialog}
      class="card"
      aria-labelledby="keys-title"
      onClose={({ currentTarget }) => (showKeyHelp.value = currentTarget.open)}
    >
      <header>
        <h2 id="keys-title">{words.title}</h2>
        <button type="button" class="plain" aria-label={words.close} title={words.close} onClick={close}>
          <Icon name="close" />
        </button>
      </header>
      <dl class="keys">
        {words.list.map(([keys, does]) => (
          <div key={does}>
            <dt>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <label class="check">
        <input
          type="checkbox"
          checked={singleKeys.value === 'yes'}
          onChange={({ currentTarget }) => (singleKeys.value = currentTarget.checked ? 'yes' : 'no')}
        />
        {words.enabled}
      </label>
    </dialog>
  );
}

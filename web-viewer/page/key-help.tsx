/** The keys, in a dialog. */
import { createRef, type JSX } from 'preact';
import { Icon } from './icons.tsx';
import { singleKeys } from './state.ts';
import { strings } from './strings.ts';

const dialog = createRef<HTMLDialogElement>();

/** Shows the keys. The dialog itself knows whether it is open: the browser closes it too, and tells of that later. */
export function openKeyHelp(): void {
  if (dialog.current?.open === false) dialog.current.showModal();
}

export function KeyHelp(): JSX.Element {
  const words = strings.keys;
  const close = (): void => dialog.current?.close();
  return (
    <dialog ref={dialog} class="card" aria-labelledby="keys-title">
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

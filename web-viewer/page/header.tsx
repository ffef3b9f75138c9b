/** The bar at the top: name, connection, colours, help. */
import type { JSX } from 'preact';
import { Icon } from './icons.tsx';
import { openKeyHelp } from './key-help.tsx';
import { connection, theme, THEMES } from './state.ts';
import { strings } from './strings.ts';

export function Header(): JSX.Element {
  const { kind } = connection.state.value;
  const themeLabel = `${strings.theme.label}: ${strings.theme[theme.value]}`;
  const nextTheme = (): void => {
    theme.value = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length] ?? 'auto';
  };
  return (
    <header class="top">
      <a class="skip" href="#player">
        {strings.skipToPlayer}
      </a>
      <a class="brand" href="/">
        <img src="/icon.svg" alt="" width="28" height="28" />
        {strings.appName}
      </a>
      <span class="gap" />
      <span class={`connection ${kind}`}>
        <span class="dot" aria-hidden="true" />
        {strings.connection[kind]}
      </span>
      <button type="button" class="plain" aria-label={themeLabel} title={themeLabel} onClick={nextTheme}>
        <Icon name={theme.value} />
      </button>
      <button
        type="button"
        class="plain"
        aria-label={strings.keys.open}
        title={`${strings.keys.open} (?)`}
        onClick={openKeyHelp}
      >
        <Icon name="keyboard" />
      </button>
    </header>
  );
}

import { csrfField } from '../pages/csrf.js';
import { html, type Html } from '../pages/html.js';
import type { Page } from '../pages/page.js';
import { GREETINGS, knownLanguage } from '../shop/greetings.js';
import type { DevicesPage } from './devices.service.js';
import { devicesView } from './devices.view.js';
import { THEMES, type Theme } from './preferences.dto.js';

interface AccountOptions {
  user: string;
  theme: string | undefined;
  language: string | undefined;
  devices: DevicesPage;
  /** Where the shown page of devices starts. */
  after: string | undefined;
}

export const accountPage = ({ user, theme, language, devices, after }: AccountOptions): Page => ({
  title: 'Account',
  scripts: ['forms', 'live'],
  events: `/account/events${after === undefined ? '' : `?after=${encodeURIComponent(after)}`}`,
  main: ({ csrf }) =>
    html` <header class="intro">
        <h1>Your account</h1>
        <p class="lead">
          You are <bdi>${user}</bdi>. What you choose here lives in this session, on this device.
        </p>
      </header>
      <div class="two">
        <section aria-labelledby="preferences">
          <h2 id="preferences">Preferences</h2>
          <div class="card stack">${themeForm(theme, csrf)} ${languageForm(language, csrf)}</div>
          <p class="note">Open this page in two tabs and save one in each, at once: both are kept.</p>
        </section>
        <section aria-labelledby="devices">
          <h2 id="devices">Your devices</h2>
          <div class="card">
            <div data-live="devices">${devicesView(devices, user, csrf)}</div>
            <div class="actions">
              ${endForm('/account/devices/end-others', 'Sign out the others', csrf, devices.total === 1)}
              ${endForm('/account/devices/end-all', 'Sign out everywhere', csrf)}
            </div>
          </div>
        </section>
      </div>`,
});

const THEME_NAMES: Record<Theme, string> = { system: 'System', light: 'Light', dark: 'Dark' };

const themeForm = (theme: string | undefined, csrf: string): Html => {
  const current = THEMES.find((one) => one === theme) ?? 'system';
  return html` <form method="post" action="/account/theme">
    ${csrfField(csrf)}
    <fieldset class="segments">
      <legend>Theme</legend>
      ${THEMES.map(
        (one) =>
          html` <label
            ><input type="radio" name="theme" value="${one}" ${one === current && html`checked`} />
            <span>${THEME_NAMES[one]}</span></label
          >`,
      )}
    </fieldset>
    <button>Save theme</button>
  </form>`;
};

const languageForm = (language: string | undefined, csrf: string): Html =>
  html` <form method="post" action="/account/language">
    ${csrfField(csrf)}
    <div class="field">
      <label for="language">The shop greets you in</label>
      <select id="language" name="language">
        ${Object.entries(GREETINGS).map(
          ([code, { name }]) =>
            html`<option value="${code}" lang="${code}" ${code === knownLanguage(language) && html`selected`}>
              ${name}
            </option>`,
        )}
      </select>
    </div>
    <button>Save language</button>
  </form>`;

const endForm = (action: string, text: string, csrf: string, isDisabled = false): Html =>
  html` <form method="post" action="${action}">
    ${csrfField(csrf)}
    <button ${isDisabled && html`disabled`} ${action.endsWith('others') && html`data-others`}>${text}</button>
  </form>`;

import { csrfField } from '../pages/csrf.js';
import { html, type Html } from '../pages/html.js';
import { time } from '../pages/time.js';
import type { Device } from './device.js';
import type { DevicesPage } from './devices.service.js';

/** The list of devices, which `live.js` replaces by the one of each event. */
export const devicesView = ({ devices, total, next }: DevicesPage, user: string, csrf: string): Html =>
  html` <p class="note" data-key="total">
      ${total === 1 ? '1 device is signed in.' : `${total} devices are signed in.`}
    </p>
    <ul class="devices" data-key="devices">
      ${devices.map((device) => deviceItem(device, csrf))}
    </ul>
    ${
      total === 1 &&
      html`<div class="empty" data-key="empty">
        <p>Only this device.</p>
        <p class="note">
          Sign in as <bdi>${user}</bdi> in another browser or a private window, and watch it appear here.
        </p>
      </div>`
    }
    ${
      next !== undefined &&
      html`<p data-key="next">
        <a class="button" href="/account?after=${encodeURIComponent(next)}#devices">More devices</a>
      </p>`
    }`;

const ICONS: Record<Device['kind'], Html> = {
  phone: html`<rect x="7" y="2.5" width="10" height="19" rx="2.5" /><path d="M11 18.5h2" />`,
  computer: html`<rect x="3.5" y="4.5" width="17" height="11.5" rx="1.5" /><path d="M1.5 19.5h21" />`,
  program: html`<rect x="2.5" y="4.5" width="19" height="15" rx="2" /><path
      d="M6.5 9.5l3 2.5-3 2.5M12 15h5"
    />`,
};

const deviceItem = (device: Device, csrf: string): Html => {
  const { id, isCurrent, name, description, network, kind, signedInAt, seenAt } = device;
  return html` <li class="device" data-key="${id}">
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">${ICONS[kind]}</svg>
    <div class="what">
      <h3><bdi>${name}</bdi> ${isCurrent && html`<span class="badge">This device</span>`}</h3>
      <p class="note">
        ${name !== description && html`${description} · `}Signed in ${time(signedInAt)} · last seen
        ${time(seenAt)}${network !== undefined && html` · from ${network}`}
      </p>
      <details>
        <summary>Rename<span class="hidden"> ${name}</span></summary>
        <form class="rename" method="post" action="/account/devices/rename">
          ${csrfField(csrf)}
          <input type="hidden" name="id" value="${id}" />
          <input
            name="label"
            value="${name === description ? '' : name}"
            maxlength="100"
            placeholder="${description}"
            aria-label="Name of ${description}"
          />
          <button>Save name</button>
        </form>
      </details>
    </div>
    ${
      !isCurrent &&
      html`<form method="post" action="/account/devices/end">
        ${csrfField(csrf)}
        <input type="hidden" name="id" value="${id}" />
        <button>Sign out<span class="hidden"> ${name}</span></button>
      </form>`
    }
  </li>`;
};

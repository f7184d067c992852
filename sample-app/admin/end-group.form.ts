import { csrfField } from '../pages/csrf.js';
import { html, type Html } from '../pages/html.js';

/** Ends all sessions of a group. */
export const endGroupForm = (group: string, csrf: string, button: Html): Html => html`
  <form method="post" action="/admin/groups/end">
    ${csrfField(csrf)}
    <input type="hidden" name="group" value="${group}" />
    ${button}
  </form>
`;

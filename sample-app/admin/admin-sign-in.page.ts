import { html } from '../pages/html.js';
import { oneFieldPage } from '../pages/one-field.page.js';
import type { Page } from '../pages/page.js';

export function adminSignInPage(problem: string): Page {
  return oneFieldPage(
    {
      title: 'Admin',
      heading: 'Behind the counter',
      lead: 'The password is in the first line that the sample app printed when it started.',
      action: '/admin/sign-in',
      label: 'Password',
      name: 'password',
      attributes: html`type="password" autocomplete="current-password"`,
      button: 'Open',
      rejection: 'That is not the password.',
    },
    problem,
  );
}

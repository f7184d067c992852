import { html } from '../pages/html.js';
import { oneFieldPage } from '../pages/one-field.page.js';
import type { Page } from '../pages/page.js';

export function signInPage(problem: string): Page {
  return oneFieldPage(
    {
      title: 'Sign in',
      heading: 'Sign in',
      lead: 'Any name will do. Use the same one in a second browser to see both as your devices.',
      action: '/sign-in',
      label: 'Name',
      name: 'user',
      attributes: html`maxlength="128" autocomplete="username"`,
      button: 'Sign in',
      rejection: 'Enter a name of 1 to 64 characters.',
    },
    problem,
  );
}

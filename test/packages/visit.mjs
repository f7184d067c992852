import assert from 'node:assert/strict';

/** Logs in, is recognised, logs out, and is not recognised any more. @param {string} url */
export async function visit(url) {
  const login = await fetch(`${url}/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ user: 'ann' }),
  });
  assert.ok(login.ok, `login: ${login.status} ${await login.text()}`);
  const cookie = login.headers.getSetCookie()[0]?.split(';')[0];
  assert.ok(cookie, 'login sets a cookie');

  const user = async () => {
    const response = await fetch(url, { headers: { cookie } });
    assert.equal(response.status, 200, 'read back');
    return (await response.json()).user;
  };
  assert.equal(await user(), 'ann', 'the session has what login put there');

  const logout = await fetch(`${url}/logout`, { method: 'POST', headers: { cookie } });
  assert.ok(logout.ok, `logout: ${logout.status}`);
  assert.equal(await user(), null, 'the session is gone after logout');
}

/** Requests fail at each place with our errors, whose messages are not for the client. @param {string} url */
export async function visitFailures(url) {
  const failures = [
    ['guard', 503, 'Service Unavailable'],
    ['pipe/1', 503, 'Service Unavailable'],
    ['handler', 503, 'Service Unavailable'],
    ['large', 500, 'Internal Server Error'],
  ];
  for (const [path, statusCode, message] of failures) {
    const response = await fetch(`${url}/failing/${path}`);
    assert.deepEqual([response.status, await response.json()], [statusCode, { statusCode, message }], path);
  }
}

/** What can be done here, for whoever opens `url` in a browser. */
export const homePage = (url: string): string => `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>Sessions over several processes</title>
    <link rel="icon" href="data:," />
    <style>
      :root { color-scheme: light dark; }
      body { max-width: 50rem; margin: 3rem auto; padding: 0 1.25rem; font: 1rem/1.55 system-ui, sans-serif; }
      h1 { font-size: 1.6rem; margin-bottom: 0.25rem; }
      h2 { font-size: 1.1rem; margin-top: 2.25rem; }
      pre, code { font: 0.875rem/1.6 ui-monospace, monospace; }
      pre { padding: 0.9rem 1.1rem; overflow-x: auto; border-radius: 0.5rem; background: #8881; }
      table { width: 100%; border-collapse: collapse; }
      th, td { padding: 0.45rem 1rem 0.45rem 0; border-bottom: 1px solid #8884; text-align: left; vertical-align: top; }
      td:first-child { white-space: nowrap; }
    </style>
  </head>
  <body>
    <h1>Sessions over several processes</h1>
    <p>
      Several workers serve this port, and all of them see the same sessions. Each response that has a
      <code>worker</code> names the process it came from.
    </p>

    <h2>Try it</h2>
    <p>Two devices of one user, each with a cookie jar of its own:</p>
    <pre>
url=${url} json='content-type: application/json'

curl -c laptop -H "$json" -d '{"user":"ada"}' $url/login
curl -c phone  -H "$json" -d '{"user":"ada"}' $url/login

curl -b laptop -c laptop $url/me
curl -b laptop -c laptop -X PUT -H "$json" -d '{"value":"dark"}' $url/preferences/theme
curl -b laptop -c laptop $url/me

curl -b laptop -c laptop $url/sessions
curl -b laptop -c laptop -X POST $url/logout-others
curl -b phone  -c phone  $url/me    # 401: the phone is logged out</pre>

    <h2>What there is</h2>
    <table>
      <thead>
        <tr><th>Request</th><th>What it does</th></tr>
      </thead>
      <tbody>
        <tr><td><code>POST /login</code></td><td>Starts a session for <code>{"user"}</code>.</td></tr>
        <tr><td><code>GET /me</code></td><td>Who you are, your preferences, and how often you asked since you logged in.</td></tr>
        <tr><td><code>PUT /preferences/theme</code></td><td>Sets the theme to <code>{"value"}</code>.</td></tr>
        <tr><td><code>PUT /preferences/language</code></td><td>Sets the language to <code>{"value"}</code>.</td></tr>
        <tr><td><code>GET /sessions</code></td><td>Lists your sessions on all devices.</td></tr>
        <tr><td><code>DELETE /sessions/:key</code></td><td>Ends one of them.</td></tr>
        <tr><td><code>POST /logout</code></td><td>Ends this session.</td></tr>
        <tr><td><code>POST /logout-others</code></td><td>Ends your other sessions and says how many.</td></tr>
        <tr><td><code>POST /logout-everywhere</code></td><td>Ends all your sessions and says how many.</td></tr>
      </tbody>
    </table>
    <p>Without a login they respond with 401, except <code>/login</code> and <code>/logout</code>.</p>
  </body>
</html>
`;

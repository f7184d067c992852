import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { SESSION_MIDDLEWARE, SessionModule, SessionService } from 'nestjs-session-stores';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { Passport } from 'passport';
import { expect, it, onTestFinished } from 'vitest';
import { transpiled } from './docs/compiler.js';
import { pageNamed, root } from './docs/pages.js';
import { Browser } from './http/browser.js';

interface Example {
  PassportController: Type;
  Users: abstract new () => object;
}

it('the controller of docs/guide/passport.md logs in under a new id and a group, and logs out', async () => {
  const { code } = pageNamed('docs/guide/passport.md').blocks.find(({ language }) => language === 'ts')!;
  const file = join(root, 'dist', 'passport.example.js');
  writeFileSync(file, transpiled(code));
  const { PassportController, Users } = (await import(pathToFileURL(file).href)) as Example;
  const passport = new Passport();
  passport.serializeUser((user, done) => done(null, (user as { name: string }).name));
  passport.deserializeUser((name: string, done) => done(null, { name }));

  @Module({
    imports: [
      SessionModule.forRoot({ secret: 'passport', store: new ClusterStore({ name: 'docs.passport' }) }),
    ],
    controllers: [PassportController],
    providers: [{ provide: Users, useValue: { verify: async () => true } }],
  })
  class AppModule {}

  const app = await NestFactory.create(AppModule, { logger: false });
  onTestFinished(() => app.close());
  app.use(app.get(SESSION_MIDDLEWARE), passport.initialize(), passport.session());
  await app.listen(0, '127.0.0.1');
  const sessions = app.get(SessionService);
  const browser = new Browser(await app.getUrl());

  expect((await browser.post('/login', { name: 'ada', password: 'x' })).json()).toEqual({ name: 'ada' });
  const first = await sessions.page({ group: 'user:ada', limit: 10 });
  expect(first.views.map(({ data }) => data)).toEqual([{ passport: { user: 'ada' } }]);

  await browser.post('/login', { name: 'ada', password: 'x' });
  const second = await sessions.page({ group: 'user:ada', limit: 10 });
  expect(second.views).toHaveLength(1);
  expect(second.views[0]!.id).not.toBe(first.views[0]!.id);

  const logout = await browser.post('/logout');
  expect(logout.status).toBe(204);
  expect(logout.setCookies.join()).toMatch(/^sid=;.*Expires=Thu, 01 Jan 1970/);
  expect(await sessions.count('user:ada')).toBe(0);
});

import 'reflect-metadata';
import { Controller, Get, Module, Req } from '@nestjs/common';
import { logIn, read, write } from './handlers.mjs';

/**
 * A Nest module with the handlers of handlers.mjs. Decorators are calls, because this file is not compiled.
 *
 * @param {object[]} imports its modules
 * @param {number} size the length of a session
 * @param {(req: any) => object} sessionOf the session of the request of the framework
 */
export function moduleOf(imports, size, sessionOf) {
  class AppController {}
  const handlers = { login: (session) => logIn(session, size), read, write };
  for (const [name, handle] of Object.entries(handlers)) {
    const value = (req) => handle(sessionOf(req));
    const method = { value, writable: true, configurable: true };
    Object.defineProperty(AppController.prototype, name, method);
    Req()(AppController.prototype, name, 0);
    Get(name)(AppController.prototype, name, method);
  }
  Controller()(AppController);
  class AppModule {}
  Module({ imports, controllers: [AppController] })(AppModule);
  return AppModule;
}

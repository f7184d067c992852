/**
 * The function or object that a CommonJS module exports, from `import * as module`. A default import would be
 * `undefined` where this package is compiled to CommonJS without `esModuleInterop`: by ts-jest in apps that
 * @nestjs/schematics wrote up to 11.0.5.
 */
export function defaultExport<T>(module: { default: T }): T {
  return module.default ?? (module as T);
}

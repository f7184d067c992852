import type { ExecutionContext } from '@nestjs/common';

/** Whether a handler, or its class, has the metadata of a decorator. */
export function hasMetadata(context: ExecutionContext, key: symbol): boolean {
  return [context.getHandler(), context.getClass()].some((target) => Reflect.hasMetadata(key, target));
}

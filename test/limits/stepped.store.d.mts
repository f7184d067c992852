import { SessionStoreDecorator } from 'nestjs-session-stores/store';

export class SteppedStore extends SessionStoreDecorator {
  steps: string[];
  before: (name: string, number: number) => unknown;
}

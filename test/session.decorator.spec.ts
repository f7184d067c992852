import {
  Body,
  Controller,
  Post,
  ValidationPipe,
  type INestApplication,
  type ValidationPipeOptions,
} from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { IsString } from 'class-validator';
import { afterEach, expect, it } from 'vitest';
import { Session, SessionModule } from 'nestjs-session-stores';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { Browser } from './http/browser.js';

class Login {
  @IsString()
  name!: string;
}

@Controller()
class LoginController {
  @Post()
  login(@Body() { name }: Login, @Session() session: Session): boolean {
    (session as unknown as { name: string }).name = name;
    return typeof session.regenerate === 'function';
  }
}

let app: INestApplication | undefined;
afterEach(() => app?.close());

it('@Session() replaces the parameter type that SWC emits with Object', () => {
  expect(Reflect.getMetadata('design:paramtypes', LoginController.prototype, 'login')).toEqual([
    Login,
    Object,
  ]);
});

const PIPES: ValidationPipeOptions[] = [
  {},
  { transform: true },
  { transform: true, whitelist: true, forbidNonWhitelisted: true },
  { transform: true, validateCustomDecorators: true, whitelist: true },
];

it.each(PIPES)('@Session() passes the live session through ValidationPipe(%o)', async (options) => {
  const testing = await Test.createTestingModule({
    imports: [
      SessionModule.forRoot({ secret: 'pipes', store: new ClusterStore({ name: `pipes-${process.pid}` }) }),
    ],
    controllers: [LoginController],
  }).compile();
  app = testing.createNestApplication({ logger: false });
  app.useGlobalPipes(new ValidationPipe(options));
  await app.listen(0, '127.0.0.1');
  const response = await new Browser(await app.getUrl()).post('/', { name: 'ann' });
  expect(response).toMatchObject({ status: 201, text: 'true' });
  expect(response.setCookies).toHaveLength(1);
});

import {
  Body,
  Controller,
  Get,
  Injectable,
  Module,
  Param,
  Post,
  UseGuards,
  type CanActivate,
  type ExecutionContext,
  type PipeTransform,
} from '@nestjs/common';
import {
  Session,
  SessionModule,
  SessionService,
  SessionStore,
  SessionStoreError,
  sessionOf,
} from 'nestjs-session-stores';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';

declare module 'nestjs-session-stores' {
  interface SessionData {
    user: string;
  }
}

/** The store of this app, in its memory. */
export const store: SessionStore = new ClusterStore();

/** Without a type, so that TypeScript writes the session's into the declarations. */
export const sessionIn = (context: ExecutionContext) => sessionOf(context);

const unavailable = () => new SessionStoreError('redis', 'read', 'private');

@Injectable()
class FailingGuard implements CanActivate {
  canActivate(): boolean {
    throw unavailable();
  }
}

@Injectable()
class FailingPipe implements PipeTransform {
  transform(): string {
    throw unavailable();
  }
}

/** Throws the error of a store at each place of a request. */
@Controller('failing')
export class FailingController {
  @Get('guard')
  @UseGuards(FailingGuard)
  guard() {}

  @Get('pipe/:value')
  pipe(@Param('value', FailingPipe) value: string) {
    return { value };
  }

  @Get('handler')
  handler() {
    throw unavailable();
  }

  @Get('large')
  large(@Session() session: Session) {
    session.user = 'x'.repeat(10_000);
  }
}

@Controller()
export class AccountController {
  constructor(private readonly sessions: SessionService) {}

  @Post('login')
  async login(@Body('user') user: string, @Session() session: Session) {
    await session.regenerate();
    session.user = user;
    await session.joinGroup(`user:${user}`);
  }

  @Get()
  show(@Session('user') user: string | undefined) {
    return { user: user ?? null };
  }

  @Post('logout')
  async logout(@Session() session: Session) {
    const user: string | undefined = session.user;
    const ended: number = await this.sessions.clearGroup(`user:${user}`);
    return { ended };
  }

  @Get('trace')
  trace() {
    return store.count(1 as never).catch((error: Error) => ({ stack: error.stack }));
  }
}

@Module({
  imports: [SessionModule.forRoot({ secret: 'a secret of the app', store, maxSize: 5000 })],
  controllers: [AccountController, FailingController],
})
export class AppModule {}

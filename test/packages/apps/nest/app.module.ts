import { Body, Controller, Get, Module, Post, type ExecutionContext } from '@nestjs/common';
import { Session, SessionModule, SessionService, SessionStore, sessionOf } from 'nestjs-session-stores';
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
  imports: [SessionModule.forRoot({ secret: 'a secret of the app', store })],
  controllers: [AccountController],
})
export class AppModule {}

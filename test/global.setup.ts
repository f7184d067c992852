import { execFileSync } from 'node:child_process';

/** Builds what ships, so that the specs test it and not the sources. */
export default function setup(): void {
  execFileSync('npx', ['nest', 'build'], { stdio: 'inherit' });
}

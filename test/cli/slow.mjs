// Loaded before the command line: its output leaves the process two seconds after it was written.
import { writeSync } from 'node:fs';
import process from 'node:process';
import { Writable } from 'node:stream';

const stdout = new Writable({
  write(chunk, _, done) {
    setTimeout(() => {
      if (chunk.length > 0) writeSync(1, chunk);
      done();
    }, 2000);
  },
});
Object.defineProperty(process, 'stdout', { value: stdout });

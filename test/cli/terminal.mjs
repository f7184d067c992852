// Loaded before the command line in a process whose streams are pipes: makes it believe that they are a terminal.
import process from 'node:process';

for (const stream of [process.stdin, process.stdout, process.stderr]) stream.isTTY = true;
const hasColors = () => process.env.NO_COLOR === undefined;
for (const stream of [process.stdout, process.stderr]) stream.hasColors = hasColors;

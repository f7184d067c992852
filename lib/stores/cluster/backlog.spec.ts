import { expect, it } from 'vitest';
import { Backlog } from './backlog.js';

it('a backlog holds each session once for each kind of change', () => {
  const backlog = new Backlog();
  backlog.add('ended', ['a', 'b']);
  for (let time = 0; time < 1000; time++) backlog.add('changed', ['a', 'c']);
  backlog.add('rotated', ['c']);
  expect(backlog.size).toBe(5);
  expect(backlog.take()).toEqual([['a', 'c'], ['c'], ['a', 'b']]);
});

it('a backlog is empty once it was taken or cleared', () => {
  const backlog = new Backlog();
  backlog.add('changed', ['a']);
  backlog.take();
  expect(backlog.size).toBe(0);
  backlog.add('ended', ['a']);
  backlog.clear();
  expect(backlog.take()).toEqual([[], [], []]);
});

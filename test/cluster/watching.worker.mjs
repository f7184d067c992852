// A worker that watches, and prints what it hears: of ids, how many.
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';

const store = new ClusterStore();
await store.open();
await store.watch(({ ids, ...event }) => console.log(JSON.stringify({ ...event, ids: ids?.length })));

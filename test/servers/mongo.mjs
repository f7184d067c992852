export { startMongoSet } from './mongo.set.mjs';
export { command, parameters, startMongo } from './mongo.server.mjs';

import assert from 'node:assert/strict';
import { nodes } from '../nodes.mjs';

/** The class of each store with a driver, and the driver's oldest and newest version that package.json allows. */
const STORES = {
  redis: {
    name: 'RedisStore',
    driver: 'ioredis',
    versions: ['5.4.1', '^6'],
    options: `{ url: 'redis://localhost' }`,
  },
  mongo: {
    name: 'MongoStore',
    driver: 'mongoose',
    versions: ['8.10.0', '^9'],
    options: `{ uri: 'mongodb://localhost' }`,
  },
  hazelcast: {
    name: 'HazelcastStore',
    driver: 'hazelcast-client',
    versions: ['5.3.0', '~5.6'],
    options: '{ config: {} }',
  },
};

const PACKAGES = [
  '@nestjs/common@^12',
  '@nestjs/core@^12',
  '@types/node@^20',
  'reflect-metadata@^0.2.2',
  'rxjs@^7.8.1',
  'typescript@^6.0.2',
];

/** Whether a store's subpath loads, by import and by require(): nothing, or what Node says. */
async function problemOf(project, store) {
  const subpath = `nestjs-session-stores/stores/${store}`;
  try {
    await project.runNode('--input-type=module', '-e', `import '${subpath}';`);
    await project.runNode('--input-type=commonjs', '-e', `require('${subpath}');`);
    return undefined;
  } catch (error) {
    return error.message;
  }
}

/** Every store without its driver loads, and its `open()` says what to install. */
async function othersFail(project, present) {
  for (const [store, { name, driver, options }] of Object.entries(STORES)) {
    if (store === present) continue;
    assert.equal(await problemOf(project, store), undefined, store);
    const { stdout } = await project.runNode(
      '--input-type=module',
      '-e',
      `import { ${name} } from 'nestjs-session-stores/stores/${store}';
       await new ${name}(${options}).open().catch(({ message }) => console.log(message));`,
    );
    const problem = `the package ${driver} is not installed. Run npm install ${driver}`;
    assert.equal(stdout.trim(), `[session:${store}] open: ${problem}`, store);
  }
}

const driverCases = Object.entries(STORES).flatMap(([store, { name, driver, versions, options }]) =>
  versions.map((version) => ({
    name: `the ${store} store alone, with ${driver} ${version}`,
    async run(project) {
      await project.install('--no-save', `${driver}@${version}`);
      for (const use of [nodes.oldest, nodes.newest]) {
        use(project);
        assert.equal(await problemOf(project, store), undefined);
        await othersFail(project, store);
      }
      await project.write({
        'src/store.ts': `import { ${name} } from 'nestjs-session-stores/stores/${store}';
          import type { SessionStore } from 'nestjs-session-stores';
          const store: SessionStore = new ${name}(${options});
          console.log(typeof store.read);`,
      });
      await project.runNode('node_modules/typescript/bin/tsc', '-p', '.');
      assert.equal((await project.runNode('dist/store.js')).stdout.trim(), 'function');
      return `${driver} ${await project.version(driver)}`;
    },
  })),
);

export const drivers = {
  name: 'Drivers',
  async setup(project, tarball) {
    await project.write({
      'package.json': { name: 'app', private: true, type: 'module' },
      'tsconfig.json': {
        compilerOptions: {
          module: 'nodenext',
          target: 'es2023',
          strict: true,
          skipLibCheck: true,
          types: ['node'],
          rootDir: 'src',
          outDir: 'dist',
        },
        include: ['src'],
      },
    });
    await project.install(...PACKAGES, tarball);
  },
  cases: [
    {
      name: 'without any, . and the cluster store work, and the others name what they need',
      async run(project) {
        await othersFail(project);
        const { stdout } = await project.runNode(
          '--input-type=module',
          '-e',
          `import { SessionModule } from 'nestjs-session-stores';
           import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
           const store = new ClusterStore();
           await store.open();
           console.log(typeof SessionModule.forRoot, await store.count());
           await store.close();`,
        );
        assert.equal(stdout.trim(), 'function 0');
      },
    },
    ...driverCases,
  ],
};

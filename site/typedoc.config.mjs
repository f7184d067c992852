// The API reference: one page for each entry point of the package, from the doc comments of lib/.
import { Converter, OptionDefaults } from 'typedoc';

const NAME = 'nestjs-session-stores';

/** Names each module as it is imported. */
function nameByImport(app) {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    project.name = 'API';
    for (const module of project.children)
      module.name = module.name === 'index' ? NAME : `${NAME}/${module.name}`;
  });
}

/** @type {Partial<import('typedoc').TypeDocOptions> & Record<string, unknown>} */
export default {
  plugin: ['typedoc-plugin-markdown', nameByImport],
  tsconfig: 'tsconfig.json',
  entryPoints: [
    '../lib/index.ts',
    '../lib/express/index.ts',
    '../lib/sockets/index.ts',
    '../lib/graphql/index.ts',
    '../lib/health/index.ts',
    '../lib/opentelemetry/index.ts',
    '../lib/store.ts',
    '../lib/stores/*/index.ts',
    '../lib/laws/index.ts',
    '../lib/testing/index.ts',
    '../lib/doctor/index.ts',
  ],
  out: 'api',
  readme: 'none',
  disableSources: true,
  excludeExternals: true,
  excludePrivate: true,
  // Directives to the compiler, which are comments of JSDoc's form for declaration files.
  blockTags: [...OptionDefaults.blockTags, '@ts-ignore'],
  excludeTags: [...OptionDefaults.excludeTags, '@ts-ignore'],
  validation: { notExported: false, invalidLink: true },
  treatValidationWarningsAsErrors: true,
  // `SessionData` is declared where the package, Express and Fastify can find it, which is worth a warning to TypeDoc.
  logLevel: 'Error',
  outputFileStrategy: 'modules',
  entryFileName: 'index',
  hideBreadcrumbs: true,
  hidePageHeader: true,
  pageTitleTemplates: { index: 'API', module: ({ name }) => name },
  sanitizeComments: true,
  // The plugin's count of equal headings is not always that of the page.
  useHTMLAnchors: true,
  useCodeBlocks: true,
  parametersFormat: 'table',
};

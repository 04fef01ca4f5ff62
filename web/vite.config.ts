import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

import { defineConfig, type Plugin } from 'vite';

/** Writes a gzip copy beside every asset, so that the server never compresses a request's answer. */
function gzipped(): Plugin {
  return {
    name: 'gzipped',
    async writeBundle({ dir = '' }, bundle) {
      const assets = Object.keys(bundle).filter((name) => name.startsWith('assets/'));
      await Promise.all(
        assets.map(async (name) => {
          const file = join(dir, name);
          await writeFile(`${file}.gz`, gzipSync(await readFile(file), { level: 9 }));
        }),
      );
    },
  };
}

export default defineConfig({
  plugins: [gzipped()],
  build: {
    target: 'es2023',
    // The licences of everything in the bundle go out with it.
    license: { fileName: 'licenses.md' },
    // Monaco alone is larger than the limit that Vite warns at; it loads behind the sign-in form.
    chunkSizeWarningLimit: 2500,
    rolldownOptions: {
      onLog(level, log, print) {
        // Directives for the React compiler mean nothing once the libraries are compiled.
        if (log.code !== 'MODULE_LEVEL_DIRECTIVE') print(level, log);
      },
    },
  },
});

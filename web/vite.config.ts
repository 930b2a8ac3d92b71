// Builds the pages into dist/web: `/` for customers, `/console/` for the people who serve, hashed files under `/assets/`.
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';
import { fileURLToPath } from 'node:url';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  root: here('.'),
  base: '/',
  publicDir: here('public'),
  plugins: [react()],
  resolve: {
    alias: [
      // These three packages make their own lib/ in an install script, which `npm ci --ignore-scripts` does not run.
      // Their sources re-export the modern originals, which is all a current browser needs.
      {
        find: /^(abort-controller|markdown-it-attrs|p-defer)-es5$/,
        replacement: here('../node_modules/$1-es5/src/index.mjs'),
      },
      { find: 'botframework-directlinespeech-sdk', replacement: here('shared/noSpeech.ts') },
    ],
  },
  build: {
    outDir: here('../dist/web'),
    emptyOutDir: true,
    target: 'es2022',
    // Web Chat alone is about 2 MB minified; it is a chunk of its own, loaded after the page's shell is shown.
    chunkSizeWarningLimit: 5000,
    rolldownOptions: { input: { customer: here('index.html'), console: here('console/index.html') } },
  },
});

// In place of Web Chat's Direct Line Speech: these pages never speak, and without it a visitor loads 0.8 MB less script.

export function createAdapters(): never {
  throw new Error('Direct Line Speech is not part of these pages: web/vite.config.ts replaces it by this file.');
}

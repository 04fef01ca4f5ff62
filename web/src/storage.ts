import type { Storage } from '@graphiql/toolkit';

/**
 * Where GraphiQL keeps tabs and history: localStorage, under the person's own id.
 *
 * The next person to sign in on the same machine finds neither the queries nor the variables of
 * the one before. Results are never stored.
 */
export function storageOf(userId: string): Storage {
  const prefix = `aetherflow:${userId}:`;
  const keys = () => Object.keys(localStorage).filter((key) => key.startsWith(prefix));
  return {
    getItem: (key) => localStorage.getItem(prefix + key),
    setItem: (key, value) => localStorage.setItem(prefix + key, value),
    removeItem: (key) => localStorage.removeItem(prefix + key),
    clear: () => keys().forEach((key) => localStorage.removeItem(key)),
    get length() {
      return keys().length;
    },
  };
}

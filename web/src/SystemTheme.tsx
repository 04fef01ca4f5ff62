import { useGraphiQLActions } from '@graphiql/react';
import { useEffect } from 'react';

/** Turns the editors dark or light with the system; GraphiQL itself looks only when it starts. */
export function SystemTheme() {
  const { setTheme } = useGraphiQLActions();
  useEffect(() => {
    const dark = matchMedia('(prefers-color-scheme: dark)');
    const follow = () => setTheme(null);
    dark.addEventListener('change', follow);
    return () => dark.removeEventListener('change', follow);
  }, [setTheme]);
  return null;
}

import { useGraphiQL, useGraphiQLActions, type GraphiQLPlugin } from '@graphiql/react';

import type { Example } from './examples';

function Examples({ examples }: { examples: Example[] }) {
  const { addTab } = useGraphiQLActions();
  const [queryEditor, variableEditor] = useGraphiQL((state) => [
    state.queryEditor,
    state.variableEditor,
  ]);

  function open({ query, variables }: Example) {
    // A tab with nothing in it is used; one's own work is left alone.
    if (queryEditor?.getValue().trim()) addTab();
    queryEditor?.setValue(query);
    variableEditor?.setValue(variables);
    queryEditor?.focus();
  }

  return (
    <section className="examples">
      <h2>Examples</h2>
      <p>Each opens in a tab of its own. Fill in the variables below the query, then run it.</p>
      <ol>
        {examples.map((example) => (
          <li key={example.title}>
            <button type="button" onClick={() => open(example)}>
              <strong>{example.title}</strong>
              <span>{example.about}</span>
            </button>
          </li>
        ))}
      </ol>
    </section>
  );
}

function Icon() {
  return (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.5">
      <path d="M5 4h14v16H5zM8.5 9h7M8.5 12.5h7M8.5 16h4" strokeLinecap="round" />
    </svg>
  );
}

/** The pane of GraphiQL that offers the examples. */
export function examplesPlugin(examples: Example[]): GraphiQLPlugin {
  return { title: 'Examples', icon: Icon, content: () => <Examples examples={examples} /> };
}

// Runs one scenario with the real graphql-ws client, and prints what happens as lines of JSON.
import { createClient } from "graphql-ws";

const [scenario, url] = process.argv.slice(2);
const say = (what) => console.log(JSON.stringify(what));

let token = 0;
const client = createClient({
  url,
  retryAttempts: 20,
  retryWait: () => new Promise((resolve) => setTimeout(resolve, 50)),
  connectionParams: () => ({ authorization: `Bearer ${token++ === 0 && scenario === "expiry" ? "short" : "x"}` }),
  on: {
    connected: () => say({ connected: true }),
    closed: (event) => say({ closed: event.code }),
  },
});

const run = (payload, onNext = () => {}) =>
  new Promise((resolve) => {
    client.subscribe(payload, {
      next: (result) => {
        say({ next: result });
        onNext(result);
      },
      error: (error) => {
        say({ error: error.code ?? error });
        resolve();
      },
      complete: () => {
        say({ complete: true });
        resolve();
      },
    });
  });

const scenarios = {
  // The client sends the payload object that it was given again, so its cursor is kept in it.
  async follow() {
    const payload = {
      query: "subscription ($after: Int) { events(after: $after, until: 30, every: 0.02) { cursor } }",
      variables: { after: 0 },
    };
    await run(payload, (result) => {
      payload.variables.after = Number(result.data.events.cursor);
    });
  },
  async expiry() {
    await scenarios.follow();
  },
  async mixed() {
    const events = run({ query: "subscription { events(until: 5, every: 0.05) { cursor } }" });
    await run({ query: "{ unknown }" });
    await run({ query: "query ($n: String!) { hello(name: $n) }", variables: { n: "you" } });
    await run({ query: 'mutation { write(text: "written") }' });
    await run({ query: 'subscription { ending(how: "expected") { cursor } }' });
    await events;
  },
  async leave() {
    for await (const result of client.iterate({ query: "subscription { events { cursor } }" })) {
      say({ next: result });
      if (result.data.events.cursor === "3") break;
    }
  },
};

await scenarios[scenario]();
await client.dispose();

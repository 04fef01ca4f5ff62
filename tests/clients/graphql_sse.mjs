// Runs one scenario with the real graphql-sse client, and prints what happens as lines of JSON.
import { createClient } from "graphql-sse";

const [scenario, url] = process.argv.slice(2);
const say = (what) => console.log(JSON.stringify(what));

const client = createClient({
  url,
  singleConnection: false,
  retryAttempts: 20,
  retry: () => new Promise((resolve) => setTimeout(resolve, 50)),
  headers: () => ({ authorization: scenario === "refused" ? "Bearer forged" : "Bearer x" }),
  on: {
    connected: () => say({ connected: true }),
  },
});

const run = (request, onNext = () => {}) =>
  new Promise((resolve) => {
    client.subscribe(request, {
      next: (result) => {
        say({ next: result });
        onNext(result);
      },
      error: (error) => {
        say({ error: error.response?.status ?? String(error) });
        resolve();
      },
      complete: () => {
        say({ complete: true });
        resolve();
      },
    });
  });

const scenarios = {
  // The client sends the request object that it was given again, so its cursor is kept in it.
  async follow() {
    const request = {
      query: "subscription ($after: Int) { events(after: $after, until: 30, every: 0.02) { cursor } }",
      variables: { after: 0 },
    };
    await run(request, (result) => {
      request.variables.after = Number(result.data.events.cursor);
    });
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
  async refused() {
    await run({ query: "subscription { events { cursor } }" });
  },
};

await scenarios[scenario]();
client.dispose();

// Follows a department with a real client, over a socket or as an event stream, until an event has
// the message "last". It keeps each event's cursor in its variables, as the README says.
import { createClient as createSocketClient } from "graphql-ws";
import { createClient as createStreamClient } from "graphql-sse";

const [way, url, token, department] = process.argv.slice(2);
const say = (what) => console.log(JSON.stringify(what));
const wait = () => new Promise((resolve) => setTimeout(resolve, 100));

const request = {
  query: `subscription ($department: String!, $after: String) {
    jobEvents(department: $department, after: $after) { cursor kind message }
  }`,
  variables: { department },
};

const on = {
  connected: () => say({ connected: true }),
  closed: (event) => say({ closed: event?.code ?? null }),
};

const client =
  way === "socket"
    ? createSocketClient({
        url: url.replace("http", "ws"),
        connectionParams: () => ({ authorization: `Bearer ${token}` }),
        retryAttempts: 1000,
        retryWait: wait,
        shouldRetry: () => true,
        on,
      })
    : createStreamClient({
        url: `${url}/stream`,
        singleConnection: false,
        headers: () => ({ authorization: `Bearer ${token}` }),
        retryAttempts: 1000,
        retry: wait,
        on,
      });

await new Promise((resolve) => {
  client.subscribe(request, {
    next: (result) => {
      const event = result.data.jobEvents;
      request.variables.after = event.cursor;
      say({ event });
      if (event.message === "last") resolve();
    },
    error: (error) => {
      say({ error: String(error?.message ?? JSON.stringify(error)) });
      resolve();
    },
    complete: resolve,
  });
});
await client.dispose();
process.exit(0);

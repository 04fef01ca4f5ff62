import createUpload from './examples/createUpload.graphql?raw';
import datasets from './examples/datasets.graphql?raw';
import department from './examples/department.graphql?raw';
import job from './examples/job.graphql?raw';
import startJob from './examples/startJob.graphql?raw';
import viewer from './examples/viewer.graphql?raw';

export interface Example {
  title: string;
  about: string;
  query: string;
  /** JSON, as it stands in the variables pane. */
  variables: string;
}

/** The queries to start from, in the order in which a newcomer needs them. */
export const examplesFor = (code: string): Example[] => [
  {
    title: 'Who am I',
    about: 'The account that is signed in, and its departments.',
    query: viewer,
    variables: '',
  },
  {
    title: 'Datasets',
    about: 'The newest datasets with uploader, jobs and results, in one request.',
    query: datasets,
    variables: json({ first: 10 }),
  },
  {
    title: 'Upload a file',
    about: 'Asks for the addresses to send a file’s bytes to.',
    query: createUpload,
    variables: json({
      input: {
        name: 'Sales of March',
        fileName: 'sales.csv',
        contentType: 'text/csv',
        sizeBytes: 1024,
        department: code,
      },
    }),
  },
  {
    title: 'Start a job',
    about: 'Runs work on a dataset; the answer has the id to follow it by.',
    query: startJob,
    variables: json({ input: { datasetId: '', jobType: 'ETL' } }),
  },
  {
    title: 'Follow a job',
    about: 'Streams everything that happens to one job, from the first event or from a cursor.',
    query: job,
    variables: json({ jobId: '', after: null }),
  },
  {
    title: 'Watch a department',
    about: 'Streams what happens to all jobs of a department, as it happens.',
    query: department,
    variables: json({ department: code, after: null }),
  },
];

function json(value: unknown): string {
  return JSON.stringify(value, null, 2);
}

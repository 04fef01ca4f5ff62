import { Brand } from './Brand';
import type { Session } from './session';

interface Props {
  session: Session;
  department: string;
  onDepartment(code: string): void;
}

/** The bar on top: the product, the department that requests are narrowed to, who is signed in. */
export function Header({ session, department, onDepartment }: Props) {
  const { user, departments } = session.viewer;
  return (
    <header className="bar">
      <Brand />
      <label className="bar-department">
        <span>Department</span>
        <select value={department} onChange={(event) => onDepartment(event.target.value)}>
          <option value="">All of mine</option>
          {departments.map(({ id, code, name }) => (
            <option key={id} value={code}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <span className="bar-user" title={user.email}>
        {user.fullName}
      </span>
      <button type="button" onClick={() => void session.signOut()}>
        Sign out
      </button>
    </header>
  );
}

import logo from './logo.svg';

export function Brand() {
  return (
    <span className="brand">
      <img src={logo} alt="" width="24" height="24" />
      AetherFlow
    </span>
  );
}

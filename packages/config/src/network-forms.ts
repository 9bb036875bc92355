// Owns: the forms of hosts and address ranges in options. They catch mistakes in writing; whether a
// name resolves is known only at start.

/** An IPv4 or IPv6 address or a host name. */
export function isHost(text: string): boolean {
  return text.length <= 253 && /^[A-Za-z0-9._:%-]+$/.test(text);
}

/** An IPv4 or IPv6 address, with or without a prefix length. */
export function isAddressRange(text: string): text is string {
  const [address = "", prefix, ...rest] = text.split("/");
  const bits = isIpv4(address) ? 32 : isIpv6(address) ? 128 : 0;
  if (bits === 0 || rest.length > 0) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits);
}

function isIpv4(text: string): boolean {
  const parts = text.split(".");
  return (
    parts.length === 4 &&
    parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255)
  );
}

function isIpv6(text: string): boolean {
  return (
    /^[0-9a-fA-F:.]{2,45}$/.test(text) && text.includes(":") && URL.canParse(`http://[${text}]`)
  );
}

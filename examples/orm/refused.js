// A request that was not valid: what the client is told.
export class Refused extends Error {
  constructor(status, headers = {}) {
    super(`refused with ${status}`);
    this.status = status;
    this.headers = headers;
  }
}

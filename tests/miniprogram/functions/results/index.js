// Returns, or fails, in the ways that functions do.
const results = {
  object: () => ({ sum: 3, list: [1, null, 'x'] }),
  array: () => [1, 2],
  number: () => 123,
  zero: () => 0,
  false: () => false,
  text: () => 'hello',
  digits: () => '123',
  jsonText: () => '{"not":"parsed"}',
  nothing: () => undefined,
  null: () => null,
  slow: () => new Promise(resolve => setTimeout(resolve, 2000)),
  throws: () => { throw new Error('out of stock') }
}

exports.main = async event => results[event.kind]()

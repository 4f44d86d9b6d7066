// What a function in Node.js sees of an event. Each line of the input is a question, each line of the output its answer;
// tests/e2e/parsers_test.go has both.
'use strict'

require('node:readline').createInterface({ input: process.stdin }).on('line', line => {
  console.log(JSON.stringify(answer(JSON.parse(line))))
})

function answer ({ body, info, place, names }) {
  const text = Buffer.from(body, 'base64').toString()
  try {
    const keys = JSON.parse(info).keys
    const wanted = [...new Set([...keys, ...names])]
    return {
      keys,
      views: {
        'Node, JSON.parse': look(eventIn(text, place, value => value), wanted),
        'Node, Object.assign': look(eventIn(text, place, value => Object.assign({}, value)), wanted)
      }
    }
  } catch (error) {
    return { error: String(error) }
  }
}

function eventIn (text, place, copy) {
  const body = copy(JSON.parse(text))
  switch (place) {
    case 'whole': return body
    case 'data': return copy(body?.data)
    case 'data string': return copy(parse(body?.data))
  }
}

// A function that finds no event in the text does nothing.
function parse (text) {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

// Pairs, not an object: a member may have any name. Inherited members count: event[name] does not tell them apart.
function look (event, names) {
  if (event === null || typeof event !== 'object') return []
  return names.filter(name => name in event && typeof event[name] !== 'function').map(name => [name, event[name]])
}

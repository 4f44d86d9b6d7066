// A function that answers, or fails, as its event says, for the tests of cloud.callFunction.
'use strict'

const cloud = require('wx-server-sdk')

cloud.init({ env: cloud.DYNAMIC_CURRENT_ENV })

exports.main = async (event, context) => {
  switch (event.answer) {
    case 'event': return { event, context: cloud.getWXContext(), source: context.httpContext.headers['x-wx-source'] }
    case 'undefined': return undefined
    case 'null': return null
    case 'buffer': return Buffer.from([0xff, 0xfe])
    case 'throw': throw new Error('out of order')
    case 'never': return new Promise(() => {})
    default: return event.answer
  }
}

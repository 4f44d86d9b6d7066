// An app that wraps callFunction once more, by assignment.
const original = wx.cloud.callFunction
const calls = []

wx.cloud.callFunction = function (options) {
  calls.push(options.name)
  if (options.name === 'mocked') return Promise.resolve({ result: 'from the mock', errMsg: 'cloud.callFunction:ok' })
  return original.call(wx.cloud, { ...options, data: { ...options.data, version: '1.2.3' } })
}

module.exports = calls

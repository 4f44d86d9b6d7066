// The wrapper that many apps have around callFunction.
const { callFunction } = wx.cloud

const request = (name, data = {}) => new Promise((resolve, reject) => {
  callFunction({
    name,
    data,
    success: ({ result, errMsg }) => errMsg === 'cloud.callFunction:ok' ? resolve(result) : reject(new Error(errMsg)),
    fail: reject
  })
})

module.exports = { request }

export const call = (name, data) => wx.cloud.callFunction({ name, data }).then(res => res.result)

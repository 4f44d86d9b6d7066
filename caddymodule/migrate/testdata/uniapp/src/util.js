exports.call = name => wx.cloud.callFunction({ name })

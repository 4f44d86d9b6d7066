wx.cloud.callFunction({ name: 'counted twice' })

wx.cloud.callFunction({ name: 'built' })

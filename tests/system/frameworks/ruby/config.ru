# Rack and Sinatra. Each answers with pairs: who read it and what was read.
require "json"
require "yaml"
require "oj"
require "sinatra/base"

module Reading
  def self.try
    yield
  rescue StandardError
    nil
  end
end

class App < Sinatra::Base
  set :environment, :production
  set :host_authorization, permitted_hosts: []
  set :protection, false
  disable :show_exceptions, :raise_errors
  handle = proc do
    body = Reading.try { request.body.rewind; request.body.read }
    JSON.generate([["params", params.to_h], ["JSON.parse", Reading.try { JSON.parse(body) }]])
  end
  %w[get post put patch delete options link unlink].each { |verb| send(verb, "/*", &handle) }
end

rack = lambda do |env|
  request = Rack::Request.new(env)
  body = Reading.try { request.body.read }
  Reading.try { request.body.rewind }
  read = [
    ["POST", Reading.try { request.POST }],
    ["GET", Reading.try { request.GET }],
    ["params", Reading.try { request.params }],
    ["JSON.parse", Reading.try { JSON.parse(body) }],
    ["Oj.load", Reading.try { Oj.load(body, mode: :object, auto_define: false).to_h.transform_keys(&:to_s) }],
    ["YAML.safe_load", Reading.try { YAML.safe_load(body) }]
  ]
  [200, { "content-type" => "application/json" }, [JSON.generate(read)]]
end

run ->(env) { (env["PATH_INFO"].end_with?("/sinatra") ? App : rack).call(env) }

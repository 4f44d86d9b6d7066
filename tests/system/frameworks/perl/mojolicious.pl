# Mojolicious. It answers with pairs: who read it and what was read.
use Mojolicious::Lite -signatures;

app->log->level('fatal');
app->mode('production');

any '/*any' => { any => '' } => sub ($c) {
    $c->render( json => [ [ 'params', $c->req->params->to_hash ], [ 'body_params', $c->req->body_params->to_hash ], [ 'json', $c->req->json ] ] );
};

app->start;

// Package frameworks runs the gateway in front of real web and function frameworks, each as its documentation sets it up to
// read every body it can, and sends them whatever could reach a function as an event that the gateway has not read: every
// media type, coding, method and version of HTTP, query strings, and bodies that are JSON and a form at once.
//
// It needs Node.js with the packages of node/, and from Debian php-fpm, ruby-sinatra, ruby-oj, puma, libcgi-pm-perl,
// libplack-perl, libmojolicious-perl and python3-flask. What is missing is left out; where CI is set, that is a failure.
package frameworks

#!/bin/bash
echo "for $CI_NAME"

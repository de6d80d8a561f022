/* Sigmoid and tanh without libm: same bits on every target, bounded error. */
#ifndef EDGEFLOW_ACTIVATION_H
#define EDGEFLOW_ACTIVATION_H

/* Largest absolute error over all of float32, proven by an exhaustive sweep in the tests. */
#define EF_SIGMOID_MAX_ERROR 2e-6f
#define EF_TANH_MAX_ERROR 4e-6f

float ef_sigmoid(float x);
float ef_tanh(float x);
float ef_exp(float x); /* relative error below 1e-6; saturates instead of overflowing */

#endif
